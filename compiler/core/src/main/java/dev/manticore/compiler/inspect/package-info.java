/** What a model is made of, for people and for programs. */
package dev.manticore.compiler.inspect;

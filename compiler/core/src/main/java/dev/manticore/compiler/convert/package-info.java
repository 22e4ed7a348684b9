/** Turns models from one form of files into another. */
package dev.manticore.compiler.convert;

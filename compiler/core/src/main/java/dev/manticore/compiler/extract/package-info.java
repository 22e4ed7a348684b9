/** Takes regions out of graphs, as models of their own. */
package dev.manticore.compiler.extract;

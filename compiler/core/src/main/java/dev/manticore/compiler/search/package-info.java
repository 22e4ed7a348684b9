/** How mixture weights are searched: what weights a step runs with, and what a gradient does. */
package dev.manticore.compiler.search;

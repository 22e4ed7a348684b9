/** Step graphs and training runs: what is trained, by which optimizer, on which batches. */
package dev.manticore.compiler.training;

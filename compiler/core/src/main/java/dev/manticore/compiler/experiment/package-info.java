/**
 * Experiments: many training runs, the trials, each in a process of its own; what came of each
 * ({@link dev.manticore.compiler.experiment.Outcome}), and what may be said of them together
 * ({@link dev.manticore.compiler.experiment.Comparison}).
 */
package dev.manticore.compiler.experiment;

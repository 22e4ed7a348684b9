/**
 * Experiments: many training runs, the trials, each in a process of its own; what came of each
 * ({@link dev.manticore.compiler.experiment.Outcome}), and what they come to together.
 */
package dev.manticore.compiler.experiment;

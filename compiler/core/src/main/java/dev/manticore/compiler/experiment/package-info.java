/**
 * Experiments: trials of several models on several tasks and seeds, and what came of each ({@link
 * dev.manticore.compiler.experiment.Outcome}).
 */
package dev.manticore.compiler.experiment;

/**
 * The six tasks of the MAD benchmark ("Mechanistic Design and Scaling of Hybrid Architectures"):
 * small synthetic sequences that each ask for one ability of a language model. {@link
 * dev.manticore.compiler.task.mad.MadTasks} has them with their settings and sweeps.
 */
package dev.manticore.compiler.task.mad;

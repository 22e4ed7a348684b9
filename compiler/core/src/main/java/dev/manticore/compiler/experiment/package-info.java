/**
 * Experiments: many small training runs, the trials, each in a process of its own, and what they
 * come to together.
 */
package dev.manticore.compiler.experiment;

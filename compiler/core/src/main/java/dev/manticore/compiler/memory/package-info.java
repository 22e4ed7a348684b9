/**
 * Memory of training steps: in which order a step runs, how much of it is alive at a time, and what
 * is computed a second time to stay below a budget.
 */
package dev.manticore.compiler.memory;

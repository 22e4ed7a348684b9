/**
 * Tasks: sequences of tokens with what is asked at each of them ({@link
 * dev.manticore.compiler.task.Task}), drawn by generators or read from the user's files, and the
 * metrics of answers ({@link dev.manticore.compiler.task.Scores}).
 *
 * <p>A sample is a function of the task's settings, its seed, the part of the data and an index,
 * and of nothing else: any sample can be made alone and in any order, on every JDK with the same
 * result.
 */
package dev.manticore.compiler.task;

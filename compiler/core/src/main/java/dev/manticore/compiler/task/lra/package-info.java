/**
 * The tasks of Long Range Arena: ListOps and Pathfinder are drawn ({@link
 * dev.manticore.compiler.task.lra.LraTasks}), and ListOps, byte-level text classification, document
 * retrieval and images as sequences are read from files in the published formats ({@link
 * dev.manticore.compiler.task.lra.LraFiles}). All classify a sequence.
 */
package dev.manticore.compiler.task.lra;

package dev.manticore.compiler.data;

/**
 * Token sequences for one step, of shape [size, length] in row-major order.
 *
 * @param inputs the tokens read
 * @param labels for each of them the token that follows it
 * @param size the number of sequences
 * @param length the number of tokens of a sequence
 */
public record Batch(long[] inputs, long[] labels, int size, int length) {}

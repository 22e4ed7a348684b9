package dev.manticore.ir.state;

/**
 * An output that is written to the memory of an input.
 *
 * @param input the name of the graph's input that holds the state before the run
 * @param output the name of the graph's output that is the state after it
 */
public record StateBinding(String input, String output) {}

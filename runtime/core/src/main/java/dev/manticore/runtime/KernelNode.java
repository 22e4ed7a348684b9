package dev.manticore.runtime;

import com.google.common.collect.ImmutableMap;

/** A node of a session's graph that one of our kernels computes, with the node's attributes. */
record KernelNode(
    JavaKernel kernel, ImmutableMap<String, Long> integers, ImmutableMap<String, Float> floats) {}

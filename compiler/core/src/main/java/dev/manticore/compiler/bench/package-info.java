/** Benchmarks: how fast this machine trains and runs models of given shapes. */
package dev.manticore.compiler.bench;

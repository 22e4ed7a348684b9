/** TensorRT engines of compiled hybrids, built and verified through a process of its own. */
package dev.manticore.compiler.engine;

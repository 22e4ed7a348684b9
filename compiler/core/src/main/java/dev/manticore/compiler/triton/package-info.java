/** Model repositories for Triton Inference Server. */
package dev.manticore.compiler.triton;

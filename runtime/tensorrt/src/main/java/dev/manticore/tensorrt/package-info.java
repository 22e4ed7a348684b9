/**
 * TensorRT engines, built and run in a process of its own: neither a driver that is not there nor a
 * crash of native code touches whoever asked for them. Nobody calls these classes; {@link
 * dev.manticore.tensorrt.EngineProcess} is started by its name, with a request in a file, and
 * answers on standard output.
 */
package dev.manticore.tensorrt;

/**
 * Checkpoints as Hugging Face lays them out, a {@code config.json} beside safetensors, to graphs
 * and back. {@link dev.manticore.onnx.huggingface.Models} is the way in.
 */
package dev.manticore.onnx.huggingface;

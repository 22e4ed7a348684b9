/**
 * Tokenizer files: {@link dev.manticore.onnx.tokenizer.Tokenizer} runs a Hugging Face {@code
 * tokenizer.json}, {@link dev.manticore.onnx.tokenizer.BpeTrainer} makes one from text.
 */
package dev.manticore.onnx.tokenizer;

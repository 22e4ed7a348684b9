/**
 * From text to batches: sources of documents ({@link dev.manticore.compiler.data.TextSource}), the
 * generator of the default corpus ({@link dev.manticore.compiler.data.CorpusGenerator}), token
 * sequences of a fixed length with a held-out part ({@link
 * dev.manticore.compiler.data.TokenDataset}), and batches in an order that can be resumed ({@link
 * dev.manticore.compiler.data.BatchSampler}).
 */
package dev.manticore.compiler.data;

/**
 * A small inference server, for trying a model out and for tests: the Open Inference Protocol and
 * completions as OpenAI has them, over HTTP.
 */
package dev.manticore.compiler.serve;

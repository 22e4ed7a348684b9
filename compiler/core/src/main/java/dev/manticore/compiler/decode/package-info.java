/** Decoders: models that read on from a state, in the form that inference servers expect. */
package dev.manticore.compiler.decode;

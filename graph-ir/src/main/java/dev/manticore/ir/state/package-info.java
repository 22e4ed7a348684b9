/**
 * State that a graph updates in place: which output overwrites which input, and the proof that this
 * is safe.
 */
package dev.manticore.ir.state;

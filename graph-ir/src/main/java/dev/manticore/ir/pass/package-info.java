/**
 * Passes that any user of the IR may run: each takes a graph and returns another that computes the
 * same, declares what it needs and keeps, and returns the very object it was given when there is
 * nothing to do.
 */
package dev.manticore.ir.pass;

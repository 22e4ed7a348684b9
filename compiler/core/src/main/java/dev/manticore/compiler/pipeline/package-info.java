/**
 * The stage store: a run is a list of stages, each with a directory addressed by the hash of all
 * that it depends on. A complete directory is never computed again, an interrupted one is gone on
 * with, and nothing is ever half-written under its final name.
 */
package dev.manticore.compiler.pipeline;

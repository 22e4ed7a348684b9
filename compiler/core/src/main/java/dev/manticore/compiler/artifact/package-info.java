/**
 * Artifacts: directories that hold a finished hybrid in every form it is used in, with a manifest
 * of their files and the proof that the exported models compute what the hybrid does.
 */
package dev.manticore.compiler.artifact;

/**
 * What a run tells while it works: progress for people and programs, metrics for files, and the
 * wish to stop. Nothing here knows what is computed.
 */
package dev.manticore.compiler.progress;

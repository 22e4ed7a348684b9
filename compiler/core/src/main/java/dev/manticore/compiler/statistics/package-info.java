/** What may be said of numbers that were measured a few times over, and what may not. */
package dev.manticore.compiler.statistics;

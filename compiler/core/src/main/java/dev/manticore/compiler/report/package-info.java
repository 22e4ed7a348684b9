/**
 * The report of a compile: one HTML file that opens offline, with tables and plots. It says what
 * the numbers say, the spread over seeds included, whether or not the hybrid did well.
 */
package dev.manticore.compiler.report;

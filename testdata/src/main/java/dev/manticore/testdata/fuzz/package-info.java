/**
 * Mutation of well-formed files into nearly well-formed ones, and the loop that hands them to a
 * reader: whatever a file holds, a reader gives a value or a typed error, in bounded time.
 */
package dev.manticore.testdata.fuzz;

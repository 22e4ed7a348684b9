/** The command line. It reads arguments, calls services of the compiler and prints; no logic. */
package dev.manticore.cli;

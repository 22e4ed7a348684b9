/**
 * The goals of the Maven plugin. Each hands what it is configured with to the command line, in a
 * JVM of its own, so that no native library is ever loaded into Maven's.
 */
package dev.manticore.maven;

/** Models trained from scratch on tasks, and what they come to: the paper's small experiments. */
package dev.manticore.compiler.trial;

/**
 * Rewriting by rules that are data: a {@link dev.manticore.ir.rewrite.Pattern} over operators,
 * operands, attributes and constants, conditions, and what to build in place of what matched. One
 * engine, {@link dev.manticore.ir.rewrite.Rewrite}, applies any list of rules as a pass, and says
 * for a rule that did not match where it came farthest.
 */
package dev.manticore.ir.rewrite;

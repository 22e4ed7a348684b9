/** The stages of a compile: what a recipe's pipeline computes. */
package dev.manticore.compiler.stages;

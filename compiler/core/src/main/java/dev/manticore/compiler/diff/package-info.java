/** Compares two models: by normal form, and by what they compute where that differs. */
package dev.manticore.compiler.diff;

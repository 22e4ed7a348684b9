/**
 * Compares graphs by what they compute, as far as that shows in their structure: names, the order
 * of operands that may be swapped, and how parameters are laid out decide nothing.
 */
package dev.manticore.ir.compare;

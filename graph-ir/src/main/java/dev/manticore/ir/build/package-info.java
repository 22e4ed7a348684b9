/**
 * Conveniences for whoever makes graphs through an editor: operators as methods, and copies of
 * nodes into other graphs. All that they do, the editor can do without them.
 */
package dev.manticore.ir.build;

/**
 * Recipes: YAML files that say what {@code manticore compile} builds. Reading one yields immutable
 * records with every default filled in, or one error that lists everything wrong with the file. The
 * schema, {@code recipe.schema.json}, is the one place where keys, limits and defaults are written.
 */
package dev.manticore.compiler.recipe;

package dev.manticore.compiler.recipe;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.ImmutableList;

/** Finds where a tree breaks a JSON Schema; the library behind it is named in one class only. */
interface SchemaValidator {

  /**
   * One broken rule.
   *
   * @param path the value that breaks it, or the object that lacks or should not have {@code
   *     property}
   * @param keyword the schema's keyword, such as {@code minimum}
   * @param property the property that is missing or unknown; empty for other keywords
   * @param message what is wrong, as the library words it
   */
  record Violation(KeyPath path, String keyword, String property, String message) {}

  /** All broken rules, in the order of the tree. */
  ImmutableList<Violation> validate(JsonNode tree);
}

package dev.manticore.compiler.recipe;

import com.google.common.base.Joiner;
import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;

/**
 * The place of a value in a recipe, written as {@code --set} takes it: {@code components.0.model}.
 */
record KeyPath(ImmutableList<String> keys) {

  static final KeyPath ROOT = new KeyPath(ImmutableList.of());

  /** Parses a dotted path; keys may be empty here and are refused where they are looked up. */
  static KeyPath parse(String dotted) {
    return new KeyPath(ImmutableList.copyOf(Splitter.on('.').split(dotted)));
  }

  KeyPath child(String key) {
    return new KeyPath(ImmutableList.<String>builder().addAll(keys).add(key).build());
  }

  KeyPath child(int index) {
    return child(Integer.toString(index));
  }

  boolean startsWith(KeyPath prefix) {
    return keys.size() >= prefix.keys.size()
        && keys.subList(0, prefix.keys.size()).equals(prefix.keys);
  }

  boolean isRoot() {
    return keys.isEmpty();
  }

  KeyPath parent() {
    return new KeyPath(keys.subList(0, keys.size() - 1));
  }

  @Override
  public String toString() {
    return Joiner.on('.').join(keys);
  }
}

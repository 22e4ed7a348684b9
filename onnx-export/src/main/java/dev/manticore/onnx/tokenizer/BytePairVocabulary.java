package dev.manticore.onnx.tokenizer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/**
 * A byte-level BPE vocabulary: what a {@link BpeTrainer} makes.
 *
 * @param tokens the text of each token in the byte-level alphabet; the index is the id, and id 0 is
 *     {@value Tokenizer#END_OF_TEXT}
 * @param merges the pairs to be joined, the most urgent first
 */
public record BytePairVocabulary(ImmutableList<String> tokens, ImmutableList<Merge> merges) {

  /** Joins the token {@code left} with the token {@code right} that follows it. */
  public record Merge(String left, String right) {}

  /**
   * The Hugging Face {@code tokenizer.json} of this vocabulary: model BPE, GPT-2's words, no space
   * put before the text. Equal vocabularies give equal bytes.
   */
  public byte[] toJson() {
    JsonMapper mapper = new JsonMapper();
    ObjectNode root = mapper.createObjectNode();
    root.put("version", "1.0");
    root.putNull("truncation");
    root.putNull("padding");
    ObjectNode endOfText = root.putArray("added_tokens").addObject();
    endOfText.put("id", 0);
    endOfText.put("content", Tokenizer.END_OF_TEXT);
    for (String property : ImmutableList.of("single_word", "lstrip", "rstrip", "normalized")) {
      endOfText.put(property, false);
    }
    endOfText.put("special", true);
    root.putNull("normalizer");
    for (String stage : ImmutableList.of("pre_tokenizer", "post_processor", "decoder")) {
      ObjectNode byteLevel = root.putObject(stage);
      byteLevel.put("type", "ByteLevel");
      byteLevel.put("add_prefix_space", false);
      byteLevel.put("trim_offsets", true);
      byteLevel.put("use_regex", true);
    }
    ObjectNode model = root.putObject("model");
    model.put("type", "BPE");
    for (String absent :
        ImmutableList.of(
            "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix")) {
      model.putNull(absent);
    }
    for (String unused : ImmutableList.of("fuse_unk", "byte_fallback", "ignore_merges")) {
      model.put(unused, false);
    }
    ObjectNode vocabulary = model.putObject("vocab");
    for (int id = 0; id < tokens.size(); id++) {
      vocabulary.put(tokens.get(id), id);
    }
    // One string a merge: the form that every release of the tokenizers library reads.
    ArrayNode pairs = model.putArray("merges");
    merges.forEach(merge -> pairs.add(merge.left() + " " + merge.right()));
    try {
      return mapper.writerWithDefaultPrettyPrinter().writeValueAsBytes(root);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree of plain values is always writable", e);
    }
  }

  /**
   * Writes {@link #toJson} to {@code file}, which afterwards is old or new, never half.
   *
   * @throws ManticoreException {@code MNT-TOKENIZER} if it cannot be written
   */
  public void writeTo(Path file) {
    Path target = file.toAbsolutePath();
    try {
      // A device or a pipe is written through: renaming would replace it by a plain file.
      if (Files.exists(target) && !Files.isRegularFile(target)) {
        Files.write(target, toJson());
        return;
      }
      Path temporary = Files.createTempFile(target.getParent(), ".tokenizer", ".tmp");
      try {
        try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.WRITE)) {
          ByteBuffer bytes = ByteBuffer.wrap(toJson());
          while (bytes.hasRemaining()) {
            channel.write(bytes);
          }
          channel.force(true);
        }
        Files.move(
            temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(temporary);
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-TOKENIZER", "Cannot write the tokenizer " + file + ": " + e.getMessage() + ".", e);
    }
  }
}

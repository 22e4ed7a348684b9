package dev.manticore.compiler.recipe;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.ImmutableList;
import com.networknt.schema.Error;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import com.networknt.schema.path.NodePath;
import java.util.Locale;

/** {@link SchemaValidator} by networknt's json-schema-validator, draft 2020-12. */
final class NetworkntValidator implements SchemaValidator {

  private final Schema schema;

  /**
   * @param schema the schema as JSON text
   */
  NetworkntValidator(String schema) {
    SchemaRegistryConfig config = SchemaRegistryConfig.builder().locale(Locale.ENGLISH).build();
    this.schema =
        SchemaRegistry.withDefaultDialect(
                SpecificationVersion.DRAFT_2020_12, builder -> builder.schemaRegistryConfig(config))
            .getSchema(schema, InputFormat.JSON);
  }

  @Override
  public ImmutableList<Violation> validate(JsonNode tree) {
    // The library works on another major version of Jackson, so trees pass as text.
    return schema.validate(tree.toString(), InputFormat.JSON).stream()
        .map(NetworkntValidator::violation)
        .collect(ImmutableList.toImmutableList());
  }

  private static Violation violation(Error error) {
    KeyPath path = KeyPath.ROOT;
    NodePath location = error.getInstanceLocation();
    for (int i = 0; i < location.getNameCount(); i++) {
      path = path.child(location.getElement(i).toString());
    }
    String property = error.getProperty() == null ? "" : error.getProperty();
    return new Violation(path, error.getKeyword(), property, error.getMessage());
  }
}

package dev.manticore.compiler.artifact;

import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import org.cyclonedx.Version;
import org.cyclonedx.exception.GeneratorException;
import org.cyclonedx.generators.BomGeneratorFactory;
import org.cyclonedx.model.Bom;
import org.cyclonedx.model.Component;
import org.cyclonedx.model.Dependency;
import org.cyclonedx.model.Hash;
import org.cyclonedx.model.License;
import org.cyclonedx.model.LicenseChoice;
import org.cyclonedx.model.Metadata;
import org.cyclonedx.model.component.modelCard.ModelParameters;
import org.cyclonedx.model.component.modelCard.ModelParameters.Approach;
import org.cyclonedx.model.component.modelCard.PerformanceMetric;
import org.cyclonedx.model.component.modelCard.QuantitativeAnalysis;

/**
 * Writes a machine-learning bill of materials in the form of CycloneDX 1.6: the hybrid with its
 * results, what it was made of, and the SHA-256 of every file that went in and came out. The same
 * artifact gives the same bytes: there is no time in it, and its serial number follows from the
 * files.
 */
public final class BillOfMaterials {

  /** The name of the file. */
  public static final String FILE = "bom.cdx.json";

  private BillOfMaterials() {}

  /**
   * Writes the bill of an artifact into its directory.
   *
   * @throws ManticoreException {@code MNT-ARTIFACT} if the manifest cannot be read
   */
  public static void write(Artifact artifact, Provenance provenance) {
    try {
      String text =
          BomGeneratorFactory.createJson(Version.VERSION_16, bom(artifact, provenance))
              .toJsonString();
      AtomicFiles.writeString(artifact.directory().resolve(FILE), text.strip() + "\n");
    } catch (GeneratorException e) {
      throw new IllegalStateException("a bill of materials that cannot be written", e);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-ARTIFACT", "the manifest cannot be read: " + e.getMessage(), e);
    }
  }

  private static Bom bom(Artifact artifact, Provenance provenance) throws IOException {
    Manifest manifest = artifact.manifest();
    String manifestHash = Artifact.describe(artifact.directory().resolve(Manifest.FILE)).sha256();
    Bom bom = new Bom();
    bom.setSerialNumber(
        "urn:uuid:" + UUID.nameUUIDFromBytes(manifestHash.getBytes(StandardCharsets.US_ASCII)));
    Component hybrid = component(Component.Type.MACHINE_LEARNING_MODEL, manifest.name());
    hybrid.setVersion(manifestHash.substring(0, 12));
    hybrid.setDescription(provenance.summary());
    hybrid.setModelCard(card(provenance));
    Metadata metadata = new Metadata();
    metadata.setTimestamp(null);
    metadata.setComponent(hybrid);
    bom.setMetadata(metadata);
    Dependency made = new Dependency(hybrid.getBomRef());
    for (Provenance.Source source : provenance.sources()) {
      Component component = component(Component.Type.MACHINE_LEARNING_MODEL, source.name());
      source.licence().ifPresent(name -> component.setLicenses(licence(name)));
      source
          .files()
          .forEach((file, hash) -> component.addComponent(file(source.name(), file, hash)));
      bom.addComponent(component);
      made.addDependency(new Dependency(component.getBomRef()));
    }
    Component data = component(Component.Type.DATA, provenance.data());
    data.addHash(new Hash(Hash.Algorithm.SHA_256, provenance.dataHash()));
    bom.addComponent(data);
    made.addDependency(new Dependency(data.getBomRef()));
    Component tool = component(Component.Type.APPLICATION, "manticore");
    tool.setVersion(manifest.manticore());
    bom.addComponent(tool);
    for (Map.Entry<String, Manifest.FileEntry> file : manifest.files().entrySet()) {
      bom.addComponent(file(manifest.name(), file.getKey(), file.getValue().sha256()));
    }
    bom.addComponent(file(manifest.name(), Manifest.FILE, manifestHash));
    bom.addDependency(made);
    return bom;
  }

  private static Component component(Component.Type type, String name) {
    Component component = new Component();
    component.setType(type);
    component.setName(name);
    component.setBomRef(type.getTypeName() + ":" + name);
    return component;
  }

  private static Component file(String owner, String name, String hash) {
    Component file = component(Component.Type.FILE, name);
    file.setBomRef("file:" + owner + "/" + name);
    file.addHash(new Hash(Hash.Algorithm.SHA_256, hash));
    return file;
  }

  private static LicenseChoice licence(String name) {
    License license = new License();
    license.setName(name);
    LicenseChoice choice = new LicenseChoice();
    choice.addLicense(license);
    return choice;
  }

  private static org.cyclonedx.model.component.ModelCard card(Provenance provenance) {
    ModelParameters parameters = new ModelParameters();
    Approach approach = new Approach();
    approach.setType(Approach.ApproachType.SELF_SUPERVISED);
    parameters.setApproach(approach);
    parameters.setTask("text-generation");
    parameters.setArchitectureFamily("hybrid");
    List<PerformanceMetric> metrics = new ArrayList<>();
    for (Provenance.Result result : provenance.results()) {
      String type = provenance.part() + " loss of " + result.model() + ", nats a token";
      metrics.add(metric(type, "all", result.losses().mean()));
      result.slices().forEach((slice, loss) -> metrics.add(metric(type, slice, loss)));
    }
    QuantitativeAnalysis analysis = new QuantitativeAnalysis();
    analysis.setPerformanceMetrics(metrics);
    org.cyclonedx.model.component.ModelCard card = new org.cyclonedx.model.component.ModelCard();
    card.setModelParameters(parameters);
    card.setQuantitativeAnalysis(analysis);
    return card;
  }

  private static PerformanceMetric metric(String type, String slice, double loss) {
    PerformanceMetric metric = new PerformanceMetric();
    metric.setType(type);
    metric.setSlice(slice);
    metric.setValue(String.format(Locale.ROOT, "%.6f", loss));
    return metric;
  }
}

import java.util.zip.ZipFile

def result = new File(basedir, 'target/manticore')
['manifest.json', 'model.onnx', 'deploy/model.onnx', 'recipe.yaml', 'report.html'].each {
  assert new File(result, it).isFile()
}

def log = new File(basedir, 'build.log').text
assert log.contains('[1/3] tokenizer')
assert log.contains('Mean held-out loss in nats a token')
assert log.contains('files are those that the manifest describes')
assert log.contains('Attached ')
assert !log.contains('incubator')
assert !log.contains('[WARNING]')

new ZipFile(new File(basedir, 'target/minimal-1-model.zip')).withCloseable { zip ->
  def entries = zip.entries().toList()
  def names = entries*.name
  assert names == names.toSorted()
  assert names.contains('deploy/model.onnx')
  def files = []
  result.eachFileRecurse(groovy.io.FileType.FILES) { files << it }
  assert names.size() == files.size()
  assert entries.every { it.timeLocal.toString() == '2026-02-03T04:05:06' }
}

def loaded = new File(basedir, 'maven-classes.log').text
assert loaded.contains('dev.manticore.maven.CompileMojo')
for (each in ['org.bytedeco.', 'ai.djl.', 'dev.manticore.cli.', 'dev.manticore.runtime.']) {
  assert !loaded.contains(' ' + each)
}

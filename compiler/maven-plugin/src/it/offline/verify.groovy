assert new File(basedir, 'build.log').text.contains('Mean held-out loss in nats a token')
assert new File(basedir, 'target/manticore/model.onnx').isFile()

assert new File(basedir, 'build.log').text.contains('Held-out loss in nats a token')
assert new File(basedir, 'target/manticore/model.onnx').isFile()

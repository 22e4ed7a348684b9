def log = new File(basedir, 'build.log').text
assert log.contains('Using the MultiThreadedBuilder implementation with a thread count of 2')
assert !log.contains('not marked @threadSafe') && !log.contains('not marked as thread-safe')
for (each in ['one', 'two']) {
  assert new File(basedir, each + '/target/manticore/manifest.json').text.contains('"name" : "' + each + '"')
}

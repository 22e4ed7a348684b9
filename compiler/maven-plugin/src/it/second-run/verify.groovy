def log = new File(basedir, 'build.log').text
def upToDate = new File(basedir, 'target/manticore').path + ': up to date, nothing to do'
assert log.count(upToDate) == 1
// The first run does all of it; the third only writes what another name changes.
assert log.count('[5/5] tune-hybrid-1') == 2
assert log.count('[5/5] tune-hybrid-1: done before') == 1
assert log.lastIndexOf('[5/5] tune-hybrid-1: done before') > log.indexOf(upToDate)
// What the compile came to is told each time.
assert log.count('Mean held-out loss in nats a token') == 3
assert new File(basedir, 'target/manticore/manifest.json').text.contains('"name" : "renamed"')

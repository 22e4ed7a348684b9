def log = new File(basedir, 'build.log').text
assert log.contains('target/manticore: no such file or directory [MNT-INPUT]')

use super::*;

on_both!(a_request_reads_as_of_one_moment_and_keeps_nobody_from_writing);

async fn a_request_reads_as_of_one_moment_and_keeps_nobody_from_writing(place: Place) {
    let databases = Databases::open(&place).await.unwrap();
    let views = &databases.views;
    let count = async || {
        let query = sqlx::query_as::<_, (i64,)>("SELECT COUNT(*) FROM things");
        views.fetch(query).await.unwrap()[0].0
    };
    let add = async || {
        let mut writing = views.begin().await.unwrap();
        sqlx::query("INSERT INTO things (id) VALUES (1)").execute(&mut *writing).await.unwrap();
        writing.commit().await.unwrap();
    };
    sqlx::query("CREATE TABLE things (id BIGINT NOT NULL)").execute(views.pool()).await.unwrap();
    add().await;
    let seen = at_one_moment(async {
        let before = count().await;
        add().await;
        [before, count().await]
    });
    assert_eq!(seen.await, [1, 1]);
    // The next one reads anew, and so does whoever reads outside of requests.
    assert_eq!(at_one_moment(count()).await, 2);
    assert_eq!(count().await, 2);
    // More requests than connections come all to their end.
    let many = (0..50).map(|_| at_one_moment(async { count().await + count().await }));
    assert_eq!(futures_util::future::join_all(many).await, [4; 50]);
    databases.close().await;
}

on_both!(what_a_database_takes_back_by_itself_leaves_no_broken_connection);

/// As SQLite does when the disk is full.
async fn what_a_database_takes_back_by_itself_leaves_no_broken_connection(place: Place) {
    let databases = Databases::open(&place).await.unwrap();
    let views = &databases.views;
    sqlx::query("CREATE TABLE things (id BIGINT NOT NULL)").execute(views.pool()).await.unwrap();
    for _ in 0..30 {
        let mut writing = views.begin().await.unwrap();
        sqlx::query("INSERT INTO things (id) VALUES (1)").execute(&mut *writing).await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *writing).await.unwrap();
    }
    let mut writing = views.begin().await.unwrap();
    sqlx::query("INSERT INTO things (id) VALUES (2)").execute(&mut *writing).await.unwrap();
    writing.commit().await.unwrap();
    let query = sqlx::query_as::<_, (i64,)>("SELECT id FROM things");
    assert_eq!(views.fetch(query).await.unwrap(), [(2,)]);
    databases.close().await;
}
